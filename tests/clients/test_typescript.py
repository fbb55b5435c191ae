"""The description is good enough for a stock generator: a TypeScript client made from it compiles strictly and works."""

import asyncio
import json
import os
import shutil
from pathlib import Path

import pytest

from tests.gateway.town import Town, number, person

#: Published generators and a client, as anybody would take them.
PACKAGES = ("openapi-typescript@7.13.0", "openapi-fetch@0.17.0", "typescript@5.9.3")
INSTALL_SECONDS_MAX = 240

DAY = """
import createClient from "openapi-fetch";
import type { paths } from "./api";

const gateway = createClient<paths>({
  baseUrl: process.env.GATEWAY!,
  headers: { Authorization: `Bearer ${process.env.KEY}` },
});

async function day(): Promise<void> {
  const person = JSON.parse(process.env.PERSON!) as paths["/v1/contacts/{id}"]["put"]["requestBody"]["content"]["application/json"];
  const put = await gateway.PUT("/v1/contacts/{id}", { params: { path: { id: "ana" } }, body: person });
  if (!put.data) throw new Error(JSON.stringify(put.error));
  const sent = await gateway.POST("/v1/messages", {
    params: { header: { "Idempotency-Key": "ts-1" } },
    body: {
      contact: "ana", channel: "sms", purpose: "collection", debts: [{ id: "d1" }],
      content: { text: "Hola Ana, su cuota está lista. Responda BAJA para no recibir más mensajes." },
    },
  });
  if (!sent.data) throw new Error(JSON.stringify(sent.error));
  const outcome: "allow" | "defer" | "deny" = sent.data.decision.outcome;
  const shown = await gateway.GET("/v1/messages/{id}", { params: { path: { id: sent.data.id } } });
  const wrong = await gateway.POST("/v1/messages", {
    params: { header: { "Idempotency-Key": "ts-2" } },
    // @ts-expect-error a channel that there is not
    body: { contact: "ana", channel: "fax", content: { text: "x" } },
  });
  console.log(JSON.stringify({ outcome, id: sent.data.id, same: shown.data?.id === sent.data.id, refused: wrong.response.status }));
}

day().catch((error) => { console.error(error); process.exit(1); });
"""


async def run(folder: Path, *command: str, seconds: float = 60, **environment: str) -> str:
    """Run a command to its end."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **environment},
    )
    out, err = await asyncio.wait_for(process.communicate(), seconds)
    assert process.returncode == 0, f"{command[0]}: {out.decode()[-2000:]}{err.decode()[-2000:]}"
    return out.decode()


@pytest.mark.needs("node")
async def test_a_generated_client_compiles_and_works(busy: Town, tmp_path: Path) -> None:
    npm = shutil.which("npm")
    assert npm is not None
    install = (npm, "install", "--no-package-lock", "--no-audit", "--no-fund", "--silent", *PACKAGES)
    await run(tmp_path, *install, seconds=INSTALL_SECONDS_MAX)
    _, described, _ = await busy.call("GET", "/openapi.json")
    (tmp_path / "openapi.json").write_text(json.dumps(described))
    (tmp_path / "day.ts").write_text(DAY)
    # What has a default may be left out of what is asked.
    generate = (
        "node_modules/.bin/openapi-typescript",
        "openapi.json",
        "--default-non-nullable=false",
        "-o",
        "api.d.ts",
    )
    await run(tmp_path, *generate)
    compiled = (
        "--strict",
        "--target",
        "es2022",
        "--module",
        "nodenext",
        "--moduleResolution",
        "nodenext",
        "--outDir",
        "out",
    )
    (tmp_path / "package.json").write_text('{"type": "commonjs"}')
    types = ("--lib", "es2022,dom", "--skipLibCheck")
    (tmp_path / "globals.d.ts").write_text(
        "declare const process: { env: Record<string, string | undefined>; exit(code: number): never };\n"
    )
    await run(tmp_path, "node_modules/.bin/tsc", *compiled, *types, "day.ts", "globals.d.ts", seconds=120)
    told = await run(
        tmp_path, "node", "out/day.js", GATEWAY=busy.url, KEY=busy.key, PERSON=json.dumps(person("ana", number(1)))
    )
    found = json.loads(told)
    assert (found["outcome"], found["same"], found["refused"]) == ("allow", True, 422)
    await busy.until(found["id"], "delivered")
