"""`python -m launch.engines.llamacpp_server`: llama.cpp's server under llama.cpp's own flag names.

What a benchmark must not have is fixed here: no prompt cache that is not asked for, no web page, no download, no silent
fitting of the context to the memory there is.
"""

from __future__ import annotations

import argparse
import signal
import sys
from typing import TYPE_CHECKING

try:
    import xllamacpp
except ImportError as error:
    sys.exit(f"llama.cpp cannot be loaded: {error}\nOn Debian: apt-get install libgomp1")

if TYPE_CHECKING:
    from collections.abc import Sequence

KV_TYPES = ("f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl")
_FLASH_ATTENTION = {
    "on": xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_ENABLED,
    "off": xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED,
    "auto": xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_AUTO,
}


def parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="llamacpp_server", allow_abbrev=False)
    parser.add_argument("--model", required=True)
    parser.add_argument("--alias", required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--parallel", type=int, default=1)
    parser.add_argument("--ctx-size", type=int, default=0, help="tokens over all slots; 0 takes the model's own")
    parser.add_argument("--batch-size", type=int, default=2048)
    parser.add_argument("--ubatch-size", type=int, default=512)
    parser.add_argument("--flash-attn", choices=sorted(_FLASH_ATTENTION), default="auto")
    parser.add_argument("--cache-type-k", choices=KV_TYPES, default="f16")
    parser.add_argument("--cache-type-v", choices=KV_TYPES, default="f16")
    parser.add_argument("--kv-unified", action="store_true")
    parser.add_argument("--no-cont-batching", action="store_true")
    parser.add_argument("--no-repack", action="store_true")
    parser.add_argument("--cache-prompt", action="store_true", help="keep what a slot has of its last prompt")
    parser.add_argument("--poll", type=int, default=50)
    return parser.parse_args(argv)


def parameters(options: argparse.Namespace) -> xllamacpp.CommonParams:
    params = xllamacpp.CommonParams()
    params.model.path = options.model
    params.model_alias = {options.alias}
    params.hostnames = [options.host]
    params.port = options.port
    params.n_parallel = options.parallel
    params.n_ctx = options.ctx_size
    params.n_batch = options.batch_size
    params.n_ubatch = options.ubatch_size
    params.flash_attn_type = _FLASH_ATTENTION[options.flash_attn]
    params.cache_type_k = _ggml_type(options.cache_type_k)
    params.cache_type_v = _ggml_type(options.cache_type_v)
    params.kv_unified = options.kv_unified
    params.cont_batching = not options.no_cont_batching
    params.no_extra_bufts = options.no_repack
    _set_threads(params, options)
    _set_fleet_rules(params)
    params.cache_prompt = options.cache_prompt
    return params


def _set_threads(params: xllamacpp.CommonParams, options: argparse.Namespace) -> None:
    params.cpuparams.n_threads = options.threads
    params.cpuparams.poll = options.poll
    params.cpuparams_batch.n_threads = options.threads
    params.cpuparams_batch.poll = options.poll


def _set_fleet_rules(params: xllamacpp.CommonParams) -> None:
    params.endpoint_metrics = True
    params.offline = True
    params.ui = False
    params.fit_params = False
    params.cache_ram_mib = 0
    params.cache_idle_slots = False


def _ggml_type(name: str) -> xllamacpp.ggml_type:
    return xllamacpp.ggml_type[f"GGML_TYPE_{name.upper()}"]


def main(argv: Sequence[str]) -> None:
    """Serves until a signal ends the process. The default action is kept: it works in the middle of a load too."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    server = xllamacpp.Server(parameters(parse(argv)))
    sys.stdout.write(f"listening on {server.listening_address}\n")
    sys.stdout.flush()
    while True:
        signal.pause()


if __name__ == "__main__":
    main(sys.argv[1:])
