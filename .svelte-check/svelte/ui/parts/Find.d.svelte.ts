export { default } from "./++Find.svelte.ts";
export * from "./++Find.svelte.ts";
