export { default } from "./++Node.svelte.ts";
export * from "./++Node.svelte.ts";
