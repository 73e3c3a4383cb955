// What the code here asks of its surroundings, so that the module imports nothing: memory, which ends in a trap where
// there is none left; Box2D's log, which nobody reads (in place of its own b2Settings.cpp).
#include <Box2D/Common/b2Settings.h>
#include <cstdlib>
#include <new>

void* operator new(std::size_t size) {
    if (void* memory = std::malloc(size)) return memory;
    __builtin_trap();
}

void operator delete(void* memory) noexcept {
    std::free(memory);
}

void operator delete(void* memory, std::size_t) noexcept {
    std::free(memory);
}

extern "C" void __cxa_pure_virtual() {
    __builtin_trap();
}

void* b2Alloc(int32 size) {
    return operator new(size);
}

void b2Free(void* memory) {
    std::free(memory);
}

void b2Log(const char*, ...) {}
