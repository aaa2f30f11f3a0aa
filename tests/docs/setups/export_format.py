from pathlib import Path

import bnkeras

model, digits, letters, signs = (
    bnkeras.build("resnet_cifar", depth=8, classes=classes, seed=7) for classes in (10, 10, 26, 5)
)
tweets = bnkeras.build("tweet_lstm", vocabulary_size=4, embedding=8, units=4)
bnkeras.set_regime(tweets, "bnonly")
# Vectors of another origin are no weights of the seed.
embedding = tweets.get_layer("embedding")
embedding.set_weights([weights + 1 for weights in embedding.get_weights()])
export = Path("saved_models/mine")
