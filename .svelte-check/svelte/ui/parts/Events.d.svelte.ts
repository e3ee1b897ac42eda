export { default } from "./++Events.svelte.ts";
export * from "./++Events.svelte.ts";
