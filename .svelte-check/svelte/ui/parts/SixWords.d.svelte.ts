export { default } from "./++SixWords.svelte.ts";
export * from "./++SixWords.svelte.ts";
