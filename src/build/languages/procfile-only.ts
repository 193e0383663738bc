// A source that says only how it is started: programs that need nothing but a shell, or bring all they need.

import { procfileName } from '../procfile.ts';
import { appUser, execForm, type Language, lines, sourceFolder, webCommand, webPort } from './language.ts';

export const procfileOnly: Language = {
  name: 'Procfile',
  knownBy: 'Procfile (a program that brings all it needs)',
  recognises: (files) => files.includes(procfileName),
  dockerfile(source) {
    const text = lines([
      'FROM busybox:1',
      'ENV HOME=/tmp',
      `RUN mkdir -p /app && chown ${appUser} /app`,
      'WORKDIR /app',
      `COPY --chown=${appUser} ${sourceFolder}/ ./`,
      `USER ${appUser}`,
      `ENV PORT=${webPort}`,
      `EXPOSE ${webPort}`,
      'ENTRYPOINT []',
      `CMD ${execForm(webCommand(source.procfile, []))}`,
    ]);
    return { dockerfile: text, files: {} };
  },
};
