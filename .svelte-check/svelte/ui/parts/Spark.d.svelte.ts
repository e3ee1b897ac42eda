export { default } from "./++Spark.svelte.ts";
export * from "./++Spark.svelte.ts";
