// The client of pg without its pool, which Node can't load under the conditions that make graphql load once in tests.
declare module 'pg/lib/client.js' {
  export { Client as default } from 'pg';
}
