export { default } from "./++SetPassword.svelte.ts";
export * from "./++SetPassword.svelte.ts";
