export { default } from "./++NewPassword.svelte.ts";
export * from "./++NewPassword.svelte.ts";
