# The runtime is the one that package.json names for development.
FROM node:24.21.0-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json ./
# What is optional is a PostgreSQL of its own, which DATABASE_URL stands in for here, and native code that has a
# substitute. The one package with a script that is missed is `node`, which the image has already.
RUN npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund

FROM node:24.21.0-bookworm-slim
LABEL org.opencontainers.image.title="Protected Payment" org.opencontainers.image.licenses="MIT"
ENV NODE_ENV=production
WORKDIR /app
COPY --from=packages /app/node_modules node_modules
COPY LICENSE package.json moleculer.config.ts ./
COPY bin bin
COPY domain domain
COPY mixins mixins
COPY services services
# The user `node`, by the number that an orchestrator can check.
USER 1000:1000
EXPOSE 5300
CMD ["node", "--expose-gc", "--max-semi-space-size=8", "bin/start.ts"]
