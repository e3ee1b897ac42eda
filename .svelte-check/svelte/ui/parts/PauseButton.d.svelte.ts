export { default } from "./++PauseButton.svelte.ts";
export * from "./++PauseButton.svelte.ts";
