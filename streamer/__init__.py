"""The online chain: stages, engine, sinks, monitor, command line, scoring, benchmarks."""
