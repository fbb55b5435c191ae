#!/bin/bash
# The database and its roles, made once by the superuser; run by the postgres image at its first start, or by hand
# (PGHOST and the like as psql reads them). None is a superuser, and the gateway's cannot become the owner.
set -euo pipefail

psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname postgres \
  --set owner_password="${OWNER_PASSWORD:?}" --set gateway_password="${GATEWAY_PASSWORD:?}" <<'SQL'
CREATE ROLE tregua_owner LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'owner_password';
CREATE ROLE tregua_app NOLOGIN NOSUPERUSER NOBYPASSRLS;
CREATE ROLE tregua_tenant NOLOGIN NOSUPERUSER NOBYPASSRLS;
CREATE ROLE tregua_eraser NOLOGIN NOSUPERUSER NOBYPASSRLS;
GRANT tregua_app, tregua_tenant, tregua_eraser TO tregua_owner WITH ADMIN OPTION;
CREATE ROLE tregua_gateway LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS IN ROLE tregua_app, tregua_tenant, tregua_eraser PASSWORD :'gateway_password';
CREATE DATABASE tregua OWNER tregua_owner ENCODING 'UTF8' TEMPLATE template0;
REVOKE ALL ON DATABASE tregua FROM PUBLIC;
GRANT CONNECT ON DATABASE tregua TO tregua_app, tregua_tenant;
SQL
