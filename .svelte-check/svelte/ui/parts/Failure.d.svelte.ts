export { default } from "./++Failure.svelte.ts";
export * from "./++Failure.svelte.ts";
