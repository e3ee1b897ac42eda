export { default } from "./++Nodes.svelte.ts";
export * from "./++Nodes.svelte.ts";
