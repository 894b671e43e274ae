from __future__ import annotations

from launch.command import Command, with_host_variables, with_recipe_variables

_COMMAND = Command(argv=("serve",), env={"HOME": "/engine", "OMP_NUM_THREADS": "1"})


def test_only_named_host_variables_reach_a_server_and_the_engines_own_win() -> None:
    host = {"PATH": "/bin", "HOME": "/root", "CUDA_VISIBLE_DEVICES": "3", "LD_PRELOAD": "x.so", "http_proxy": "p"}
    command = with_host_variables(_COMMAND, host)
    assert command.argv == ("serve",)
    assert command.env == {
        "PATH": "/bin",
        "HOME": "/engine",
        "CUDA_VISIBLE_DEVICES": "3",
        "OMP_NUM_THREADS": "1",
    }


def test_a_recipes_variables_reach_its_server_and_never_replace_the_adapters() -> None:
    command = with_recipe_variables(_COMMAND, {"SGLANG_USE_AITER": "1", "OMP_NUM_THREADS": "64"})
    assert command.env == {"HOME": "/engine", "OMP_NUM_THREADS": "1", "SGLANG_USE_AITER": "1"}
