#!/usr/bin/env python3
"""W2 as a plain PyTorch loop, with nothing of Shoal: prints the test accuracy after 31 rounds for each seed.

    SHOAL_DATA=... bench/plain_w2.py 1 2 3        # needs an installation of PyTorch; 50 s a seed on one core
"""

import gzip
import os
import pathlib
import sys

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy

ROUNDS, COHORT, CLIENTS, EACH, BATCH, RATE = 31, 20, 1000, 60, 10, 0.1


def read(name):
    data = gzip.decompress((pathlib.Path(os.environ["SHOAL_DATA"]) / "mnist" / f"{name}.gz").read_bytes())
    shape = [int.from_bytes(data[4 + 4 * i : 8 + 4 * i], "big") for i in range(data[3])]
    return torch.tensor(np.frombuffer(data[4 + 4 * data[3] :], np.uint8).reshape(shape).copy())


def images(name):
    return read(name).float().unsqueeze(1) / 255


def train(seed, x, y):
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                          nn.Linear(9216, 128), nn.ReLU(), nn.Linear(128, 10)).to(memory_format=torch.channels_last)
    owned = torch.randperm(CLIENTS * EACH).view(CLIENTS, EACH)
    server = {name: value.clone() for name, value in model.state_dict().items()}
    for _ in range(ROUNDS):
        mean = {name: torch.zeros_like(value) for name, value in server.items()}
        for client in torch.randperm(CLIENTS)[:COHORT]:
            model.load_state_dict(server)
            order = owned[client][torch.randperm(EACH)]
            for batch in order.split(BATCH):
                model.zero_grad()
                cross_entropy(model(x[batch]), y[batch]).backward()
                with torch.no_grad():
                    for parameter in model.parameters():
                        parameter -= RATE * parameter.grad
            for name, value in model.state_dict().items():
                mean[name] += value / COHORT
        server = mean
    model.load_state_dict(server)
    return model


torch.set_num_threads(1)
X, Y = images("train-images-idx3-ubyte"), read("train-labels-idx1-ubyte").long()
TEST_X, TEST_Y = images("t10k-images-idx3-ubyte"), read("t10k-labels-idx1-ubyte").long()
for number in map(int, sys.argv[1:]):
    trained = train(number, X, Y)
    with torch.no_grad():
        guesses = torch.cat([trained(part).argmax(1) for part in TEST_X.split(1000)])
    print(number, (guesses == TEST_Y).double().mean().item(), flush=True)
