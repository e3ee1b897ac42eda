export { default } from "./++Hardware.svelte.ts";
export * from "./++Hardware.svelte.ts";
