#!/bin/sh
# One machine with several GPUs: every GPU holds the student, and takes its share of each step's examples.
#   sh examples/launch/one-node.sh --student llama-3.1-8b --data outputs/endo --out outputs/endo-8b
# A step takes as many examples as the recipe says where they can be divided among the GPUs, else the first line of training says
# how many. Every GPU takes a packed row, or a pass of --batch-size, at least: let --accumulation be a multiple of the number of
# GPUs, and say --no-packing where there are as many GPUs as examples a step. --resume goes on after a crash.
set -e
exec torchrun --standalone --nproc-per-node "${GPUS:-gpu}" -m distill train "$@"
