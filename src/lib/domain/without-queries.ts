/** Addresses in a message lose their query strings, which may sign them: messages are shown and stored. */
export const withoutQueries = (message: string): string =>
  message.replace(/(https?:\/\/[^\s?#'"<>]+)[?#][^\s'"<>]*/gi, '$1?…');
