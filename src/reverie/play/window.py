"""The window of `reverie play`, by pygame: keys in, pictures out, at the speed of the world."""

import pygame

from reverie.devices import one_thread
from reverie.errors import UserError
from reverie.play.session import Command, Session
from reverie.play.view import draw
from reverie.show.episode_film import NO_SCREEN, require_screen

INSTEAD = "set up a display, or use `reverie watch` and `reverie dream`, which write videos"
ACTING: dict[int, str] = {
    pygame.K_LEFT: "left",
    pygame.K_a: "left",
    pygame.K_RIGHT: "right",
    pygame.K_d: "right",
    pygame.K_UP: "gas",
    pygame.K_w: "gas",
    pygame.K_DOWN: "brake",
    pygame.K_s: "brake",
    **{pygame.K_0 + digit: str(digit) for digit in range(10)},
}
COMMANDS: dict[int, Command] = {
    pygame.K_m: "switch",
    pygame.K_TAB: "switch",
    pygame.K_c: "autopilot",
    pygame.K_r: "anew",
    pygame.K_SPACE: "pause",
    pygame.K_PLUS: "warmer",
    pygame.K_EQUALS: "warmer",  # where + is shift and =
    pygame.K_KP_PLUS: "warmer",
    pygame.K_MINUS: "cooler",
    pygame.K_KP_MINUS: "cooler",
}


def play(session: Session) -> None:
    """Shows the session and takes keys until ESC, or until the window is closed. UserError where there is no screen."""
    require_screen(INSTEAD)
    try:
        pygame.display.init()
        picture = draw(session, 0.0)
        window = pygame.display.set_mode(picture.shape[1::-1])
    except pygame.error as error:
        raise UserError(f"{NO_SCREEN}: {INSTEAD} ({error})") from error
    pygame.display.set_caption("reverie play")
    clock, held = pygame.time.Clock(), set[int]()
    try:
        with one_thread():
            while True:
                tapped = set[int]()  # and let go again within a decision: it counts, too
                for event in pygame.event.get():
                    if event.type == pygame.QUIT or (event.type == pygame.KEYDOWN and event.key == pygame.K_ESCAPE):
                        return
                    if event.type == pygame.KEYDOWN:
                        tapped.add(event.key)
                        held.add(event.key)
                        if event.key in COMMANDS:
                            session.press(COMMANDS[event.key])
                    elif event.type == pygame.KEYUP:
                        held.discard(event.key)
                acting = {ACTING[key] for key in held | tapped if key in ACTING}
                session.hold(acting)
                picture = draw(session, clock.get_fps())
                window.blit(pygame.surfarray.make_surface(picture.swapaxes(0, 1)), (0, 0))
                pygame.display.flip()
                clock.tick(1 / session.seconds)
    finally:
        pygame.display.quit()
