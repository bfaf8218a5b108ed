#!/bin/sh
# One database for each service that keeps its truth in SQL, and one for the keyring.
set -eu
for name in intake routing delivery outreach keyring; do
  psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres -c "CREATE DATABASE $name"
done
