"""The learning curve of a search, as a picture to look at while the search goes on."""

from reverie.run.folder import RunFolder
from reverie.training.pictures import draw_learning_curve


class CurveOnTheWay:
    """Drawn by the search itself, whose workers wait for it: so seldom, and at its end."""

    def __init__(self, run: RunFolder) -> None:
        self._run = run
        self._drawn = 0
        """Evaluations in the picture."""

    def follow(self, evaluations: int) -> None:
        """Draws it where there are twice as many evaluations as in the last picture, and two at least."""
        if evaluations >= 2 * max(1, self._drawn):
            self.finish(evaluations)

    def finish(self, evaluations: int) -> None:
        """Draws it if it does not show so many evaluations yet."""
        if evaluations != self._drawn:
            draw_learning_curve(self._run)
            self._drawn = evaluations
