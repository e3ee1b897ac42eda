export { default } from "./++Session.svelte.ts";
export * from "./++Session.svelte.ts";
