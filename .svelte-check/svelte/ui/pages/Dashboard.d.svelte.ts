export { default } from "./++Dashboard.svelte.ts";
export * from "./++Dashboard.svelte.ts";
