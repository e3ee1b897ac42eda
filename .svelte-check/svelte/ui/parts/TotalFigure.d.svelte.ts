export { default } from "./++TotalFigure.svelte.ts";
export * from "./++TotalFigure.svelte.ts";
