export { default } from "./++Copy.svelte.ts";
export * from "./++Copy.svelte.ts";
