export { default } from "./++Cores.svelte.ts";
export * from "./++Cores.svelte.ts";
