export { default } from "./++StateMark.svelte.ts";
export * from "./++StateMark.svelte.ts";
