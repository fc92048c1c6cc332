"""A deterministic network with a clock of its own, between wscore's cores and under real transports."""
