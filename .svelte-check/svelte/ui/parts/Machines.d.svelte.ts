export { default } from "./++Machines.svelte.ts";
export * from "./++Machines.svelte.ts";
