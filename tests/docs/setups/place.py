from bnkeras.pipelines import prepare
from bnkeras.recipe import load
from bnkeras.training import run

prepare("digits")
run(load("digits_resnet14_bnonly"), "runs/digits_resnet14_bnonly")
