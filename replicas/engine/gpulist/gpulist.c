/* Writes what the NVIDIA driver says of each GPU in sight: the file "information" of
   every folder below /proc/driver/nvidia/gpus, or below the folder it is given.

   It runs in an image that has nothing else, so it brings no library: a few system
   calls of Linux are all it knows. Exit code 2 means that there is no such folder.
   Built by build.sh, which says how. */

typedef long word;

#if defined(__x86_64__)
enum { READ = 0, WRITE = 1, CLOSE = 3, GETDENTS64 = 217, EXIT = 231, OPENAT = 257 };
enum { FOLDER = 0200000 }; /* O_DIRECTORY */

static word ask(word number, word a, word b, word c, word d) {
    register word fourth __asm__("r10") = d;
    word answer;
    __asm__ volatile("syscall"
                     : "=a"(answer)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth)
                     : "rcx", "r11", "memory");
    return answer;
}

__asm__(".globl _start\n"
        "_start:\n"
        "  xor %ebp, %ebp\n"
        "  mov %rsp, %rdi\n"
        "  and $-16, %rsp\n"
        "  call begin\n");
#elif defined(__aarch64__)
enum { OPENAT = 56, CLOSE = 57, GETDENTS64 = 61, READ = 63, WRITE = 64, EXIT = 94 };
enum { FOLDER = 040000 }; /* O_DIRECTORY */

static word ask(word number, word a, word b, word c, word d) {
    register word call __asm__("x8") = number;
    register word first __asm__("x0") = a;
    register word second __asm__("x1") = b;
    register word third __asm__("x2") = c;
    register word fourth __asm__("x3") = d;
    __asm__ volatile("svc #0"
                     : "+r"(first)
                     : "r"(call), "r"(second), "r"(third), "r"(fourth)
                     : "memory");
    return first;
}

__asm__(".globl _start\n"
        "_start:\n"
        "  mov x29, #0\n"
        "  mov x0, sp\n"
        "  bl begin\n");
#else
#error "gpulist knows x86_64 and aarch64"
#endif

enum { HERE = -100, READ_ONLY = 0 }; /* AT_FDCWD, O_RDONLY */

struct entry { /* struct linux_dirent64 */
    unsigned long long inode;
    long long offset;
    unsigned short length;
    unsigned char kind;
    char name[];
};

static char entries[4096] __attribute__((aligned(8)));
static char text[4096];

static void end(word code) {
    for (;;)
        ask(EXIT, code, 0, 0, 0);
}

static void say(const char *from, word length) {
    while (length > 0) {
        word wrote = ask(WRITE, 1, (word)from, length, 0);
        if (wrote <= 0)
            end(1);
        from += wrote;
        length -= wrote;
    }
}

static void show(word folder, const char *name) {
    word inner = ask(OPENAT, folder, (word)name, READ_ONLY | FOLDER, 0);
    if (inner < 0)
        return;
    word file = ask(OPENAT, inner, (word) "information", READ_ONLY, 0);
    if (file >= 0) {
        word length;
        while ((length = ask(READ, file, (word)text, sizeof text, 0)) > 0)
            say(text, length);
        say("\n", 1);
        ask(CLOSE, file, 0, 0, 0);
    }
    ask(CLOSE, inner, 0, 0, 0);
}

/* `stack` is as the kernel leaves it: the number of arguments, then the arguments. */
__attribute__((used, noreturn)) void begin(word *stack) {
    const char *place = "/proc/driver/nvidia/gpus";
    if (stack[0] > 1)
        place = (const char *)stack[2];
    word folder = ask(OPENAT, HERE, (word)place, READ_ONLY | FOLDER, 0);
    if (folder < 0)
        end(2);
    word length;
    while ((length = ask(GETDENTS64, folder, (word)entries, sizeof entries, 0)) > 0) {
        for (word at = 0; at < length;) {
            struct entry *one = (struct entry *)(entries + at);
            if (one->name[0] != '.')
                show(folder, one->name);
            at += one->length;
        }
    }
    end(length < 0);
    __builtin_unreachable();
}
