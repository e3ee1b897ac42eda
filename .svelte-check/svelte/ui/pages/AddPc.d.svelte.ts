export { default } from "./++AddPc.svelte.ts";
export * from "./++AddPc.svelte.ts";
