"""A window that shows pictures, for `render_mode="human"`. Needs the extra `render`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from time import monotonic, sleep
from typing import Any

import numpy as np
from gymnasium.error import DependencyNotInstalled, Error

os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")  # it greets on stdout

try:
    import pygame
except ImportError as error:
    raise DependencyNotInstalled(
        "A window needs pygame; install it with: pip install "
        '"mec-llm-env[render]", or take render_mode="rgb_array"'
    ) from error

Array = np.ndarray[Any, Any]


class Window:
    """Shows one picture, or up to four of them in two rows, at a limited rate.

    All windows of a process are one, as SDL has one a process. It holds nothing of
    SDL itself, so that an environment with a window can be copied and pickled.

    Args:
        title: what stands above the pictures.
        fps: pictures a second, at most.
    """

    most_pictures = 4

    def __init__(self, title: str, fps: float) -> None:
        self.title = title
        self.interval_s = 1 / fps
        self._shown_s = -np.inf  # when the last picture came

    def show(self, pictures: Sequence[Array]) -> None:
        """Waits until it is time, then shows the pictures, [H, W, 3] uint8 each.

        Raises:
            gymnasium.error.Error: there is no screen.
        """
        canvas = tiled(pictures)
        screen = self._screen((canvas.shape[1], canvas.shape[0]))
        sleep(max(0.0, self._shown_s + self.interval_s - monotonic()))
        screen.blit(pygame.surfarray.make_surface(canvas.swapaxes(0, 1)), (0, 0))
        pygame.event.pump()  # answers the system, which else thinks that it hangs
        pygame.display.flip()
        self._shown_s = monotonic()

    def close(self) -> None:
        """Closes the window, if it is open; the next picture opens it again."""
        pygame.display.quit()

    def _screen(self, size: tuple[int, int]) -> Any:
        try:
            pygame.display.init()
            screen = pygame.display.get_surface()
            if screen is None or screen.get_size() != size:
                screen = pygame.display.set_mode(size)
        except pygame.error as error:
            raise Error(
                f'There is no screen for render_mode="human": {error}. Take '
                'render_mode="rgb_array", or set SDL_VIDEODRIVER=dummy.'
            ) from error
        pygame.display.set_caption(self.title)
        return screen


def tiled(pictures: Sequence[Array]) -> Array:
    """Returns one picture of up to four, at half their size where they are several."""
    if len(pictures) == 1:
        return pictures[0]
    height, width = (size // 2 for size in pictures[0].shape[:2])
    rows = 1 if len(pictures) == 2 else 2
    canvas = np.full((rows * height, 2 * width, 3), 255, dtype=np.uint8)
    for k, picture in enumerate(pictures):
        top, left = height * (k // 2), width * (k % 2)
        halved = picture.reshape(height, 2, width, 2, 3).mean(axis=(1, 3))
        canvas[top : top + height, left : left + width] = halved.round()
    return canvas
