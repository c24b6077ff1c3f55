"""python -m bench: see bench/README.md."""

import sys

if __name__ == "__main__":
    if sys.argv[1:2] == ["load"]:  # before anything is imported that is installed: it runs on a bare Python, too
        from bench import load

        sys.exit(load.main(sys.argv[2:]))
    if sys.argv[1:2] == ["nodes"]:
        from bench import nodes

        sys.exit(nodes.main(sys.argv[2:]))
    from bench import compare

    sys.exit(compare.main(sys.argv[1:]))
