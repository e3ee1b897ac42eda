export { default } from "./++FirstRun.svelte.ts";
export * from "./++FirstRun.svelte.ts";
