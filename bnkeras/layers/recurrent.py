"""The LSTM over time in TensorFlow, with a gradient of its own."""


def lstm(x, h, c, kernel, recurrent_kernel, bias):
    """Run an LSTM over time.

        z[t] = x[t] · W + b + h[t-1] · U, in four parts zi, zf, zg, zo
        i, f, o = σ(zi), σ(zf), σ(zo);  g = tanh(zg)
        c[t] = f · c[t-1] + i · g;  h[t] = o · tanh(c[t])

    Only what depends on the step before is in the loops over time: h · U and values of one
    step. All x · W are one product, and so are the gradients of x, W and U. A function that
    is traced leaves out the gradients that nobody asks for, such as those of frozen kernels.

    Args:
        x: inputs, float, [batch, length, channels], of any batch and length above 0.
        h: output before the first step, [batch, units].
        c: cell state before the first step, [batch, units].
        kernel: W, [channels, 4 · units].
        recurrent_kernel: U, [units, 4 · units].
        bias: b, [4 · units].

    Returns:
        The outputs h[t], [batch, length, units], and the last c, [batch, units].

    Source: Hochreiter and Schmidhuber (1997) with the forget gate of Gers et al. (2000);
    gates and their order are those of `keras.layers.LSTM`.

    Example:
        >>> h, c = lstm(tf.ones((2, 7, 3)), *[tf.zeros((2, 4))] * 2, tf.ones((3, 16)),
        ...             tf.ones((4, 16)), tf.zeros(16))
        >>> h.shape, c.shape
        (TensorShape([2, 7, 4]), TensorShape([2, 4]))
    """
    import tensorflow as tf

    @tf.custom_gradient
    def run(x, h0, c0, kernel, recurrent_kernel, bias):
        rows, length = tf.shape(x)[0], tf.shape(x)[1]
        channels, units = kernel.shape[0], recurrent_kernel.shape[0]

        def array(size):
            return tf.TensorArray(x.dtype, length, element_shape=(x.shape[0], size))

        def flat(values, size):
            """Return values of [length, batch, size] as [length · batch, size]."""
            return tf.reshape(values, (-1, size))

        def by_time(values, size):
            return tf.reshape(values, (length, rows, size))

        inputs = flat(_swapped(x), channels)
        z = by_time(tf.nn.bias_add(tf.matmul(inputs, kernel), bias), 4 * units)

        def forwards(t, h, c, kept):
            now = z[t] + tf.matmul(h, recurrent_kernel)
            # A sigmoid too many, of the third part, is cheaper than taking two and one.
            gates = tf.sigmoid(now)
            i, f, _, o = tf.split(gates, 4, 1)
            g = tf.tanh(now[:, 2 * units : 3 * units])
            before, c = c, f * c + i * g
            squashed = tf.tanh(c)
            h = o * squashed
            values = (gates, g, before, squashed, h)
            return t + 1, h, c, [one.write(t, v) for one, v in zip(kept, values, strict=True)]

        kept = [array(size) for size in (4 * units, units, units, units, units)]
        _, _, last, kept = tf.while_loop(
            lambda t, *_: t < length, forwards, [tf.constant(0), h0, c0, kept]
        )
        outputs = by_time(kept.pop().stack(), units)

        def gradient(upstream, upstream_last):
            upstream = _swapped(upstream)
            transposed = tf.transpose(recurrent_kernel)

            def backwards(t, dh, dc, dz):
                gates, g, before, squashed = (one.read(t) for one in kept)
                i, f, _, o = tf.split(gates, 4, 1)
                slope_i, slope_f, _, slope_o = tf.split(gates * (1 - gates), 4, 1)
                dh = dh + upstream[t]
                dc = dc + dh * (o * (1 - squashed * squashed))
                parts = [
                    dc * (g * slope_i),
                    dc * (before * slope_f),
                    dc * (i * (1 - g * g)),
                    dh * (squashed * slope_o),
                ]
                now = tf.concat(parts, 1)
                return t - 1, tf.matmul(now, transposed), dc * f, dz.write(t, now)

            _, dh, dc, dz = tf.while_loop(
                lambda t, *_: t >= 0,
                backwards,
                [length - 1, tf.zeros_like(h0), upstream_last, array(4 * units)],
            )
            dz = flat(dz.stack(), 4 * units)
            before = tf.concat([h0[None], outputs[:-1]], 0)
            return (
                _swapped(by_time(tf.matmul(dz, kernel, transpose_b=True), channels)),
                dh,
                dc,
                tf.matmul(inputs, dz, transpose_a=True),
                tf.matmul(flat(before, units), dz, transpose_a=True),
                tf.reduce_sum(dz, 0),
            )

        return (_swapped(outputs), last), gradient

    weights = [tf.convert_to_tensor(one) for one in (kernel, recurrent_kernel, bias)]
    return run(x, h, c, *weights)


def _swapped(values):
    """Return [a, b, c] as [b, a, c]."""
    import tensorflow as tf

    return tf.transpose(values, (1, 0, 2))
