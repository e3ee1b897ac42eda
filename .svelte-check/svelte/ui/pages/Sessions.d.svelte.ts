export { default } from "./++Sessions.svelte.ts";
export * from "./++Sessions.svelte.ts";
