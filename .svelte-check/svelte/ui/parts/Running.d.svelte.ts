export { default } from "./++Running.svelte.ts";
export * from "./++Running.svelte.ts";
