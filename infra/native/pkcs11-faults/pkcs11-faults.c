/*
 * A PKCS#11 module for tests: hands every call to the module named in CERTMILL_FAULTS_MODULE, but
 * sleeps or fails first where the file named in CERTMILL_FAULTS_CONTROL says so. The file is read at
 * each call of a function below; without it every call passes. A line of it:
 *
 *   FUNCTION sleep MILLISECONDS [slot ID | token LABEL] [times COUNT]
 *   FUNCTION fail CKR [slot ID | token LABEL] [times COUNT]
 *
 * The first line that fits counts. CKR is decimal or 0x... A call that sleeps is passed on afterwards;
 * a C_Sign that fails has signed, as far as the token knows.
 * Calls are counted per process, anew when the file is replaced (rename, so that none reads half of it).
 * A line that cannot be read fails every call: a test with a slip in it must not pass.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pkcs11.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define MAX_LINES 64
#define MAX_LINE 256
#define TOKEN_LABEL 32

enum place { ANYWHERE, SLOT, TOKEN };

struct command {
  char function[MAX_LINE];
  char action[MAX_LINE];
  unsigned long value;
  enum place place;
  CK_SLOT_ID slot;
  char token[MAX_LINE];
  unsigned long times; /* 0: always */
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static CK_FUNCTION_LIST_PTR real;
static CK_FUNCTION_LIST functions;
static const char *control_file;

/* Both belong to whoever holds the lock. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned long used[MAX_LINES];
static struct stat counted_file;

static int is_number(const char *text, unsigned long *value) {
  char *end = NULL;
  errno = 0;
  *value = strtoul(text, &end, 0);
  return errno == 0 && end != text && *end == '\0' && *text != '-';
}

/* 1: a command, 0: an empty line, -1: neither. */
static int parse(char *line, struct command *command) {
  char *rest = NULL;
  char *words[8] = {0};
  size_t count = 0;
  for (char *word = strtok_r(line, " \t\n", &rest); word != NULL; word = strtok_r(NULL, " \t\n", &rest)) {
    if (count == 8) return -1;
    words[count++] = word;
  }
  if (count == 0) return 0;
  if (count < 3 || count % 2 == 0) return -1;
  memset(command, 0, sizeof *command);
  strcpy(command->function, words[0]);
  strcpy(command->action, words[1]);
  if (strcmp(words[1], "sleep") != 0 && strcmp(words[1], "fail") != 0) return -1;
  if (!is_number(words[2], &command->value)) return -1;
  for (size_t i = 3; i < count; i += 2) {
    if (strcmp(words[i], "slot") == 0) {
      command->place = SLOT;
      if (!is_number(words[i + 1], &command->slot)) return -1;
    } else if (strcmp(words[i], "token") == 0) {
      command->place = TOKEN;
      strcpy(command->token, words[i + 1]);
    } else if (strcmp(words[i], "times") == 0) {
      if (!is_number(words[i + 1], &command->times) || command->times == 0) return -1;
    } else {
      return -1;
    }
  }
  return 1;
}

static int is_at(const struct command *command, const CK_SLOT_ID *slot) {
  CK_TOKEN_INFO info;
  size_t length = strlen(command->token);
  if (command->place == ANYWHERE) return 1;
  if (slot == NULL) return 0;
  if (command->place == SLOT) return *slot == command->slot;
  if (length > TOKEN_LABEL || real->C_GetTokenInfo(*slot, &info) != CKR_OK) return 0;
  for (size_t i = 0; i < TOKEN_LABEL; i++) {
    if (info.label[i] != (i < length ? (CK_UTF8CHAR)command->token[i] : ' ')) return 0;
  }
  return 1;
}

static void count_anew_if_replaced(FILE *file) {
  struct stat now;
  if (fstat(fileno(file), &now) != 0) return;
  if (now.st_ino == counted_file.st_ino && now.st_size == counted_file.st_size &&
      now.st_mtim.tv_sec == counted_file.st_mtim.tv_sec &&
      now.st_mtim.tv_nsec == counted_file.st_mtim.tv_nsec) {
    return;
  }
  counted_file = now;
  memset(used, 0, sizeof used);
}

/* What the file says about this call; an action of "" where it says nothing, -1 where it is wrong. */
static int find(const char *function, const CK_SLOT_ID *slot, struct command *found) {
  char line[MAX_LINE];
  int result = 0;
  FILE *file = control_file == NULL ? NULL : fopen(control_file, "re");
  found->action[0] = '\0';
  if (file == NULL) return 0;
  pthread_mutex_lock(&lock);
  count_anew_if_replaced(file);
  for (size_t i = 0; result == 0 && fgets(line, sizeof line, file) != NULL; i++) {
    struct command command;
    int parsed = i < MAX_LINES && strlen(line) < MAX_LINE - 1 ? parse(line, &command) : -1;
    if (parsed < 0) result = -1;
    if (parsed <= 0 || strcmp(command.function, function) != 0 || !is_at(&command, slot)) continue;
    if (command.times != 0 && used[i] >= command.times) continue;
    used[i]++;
    *found = command;
    break;
  }
  pthread_mutex_unlock(&lock);
  fclose(file);
  return result;
}

static void sleep_ms(unsigned long ms) {
  struct timespec rest = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000L};
  while (nanosleep(&rest, &rest) != 0 && errno == EINTR) {
  }
}

/* CKR_OK: the call is to be passed on. */
static CK_RV before(const char *function, const CK_SLOT_ID *slot) {
  struct command command;
  if (find(function, slot, &command) != 0) {
    fprintf(stderr, "pkcs11-faults: the control file has a line that is no command\n");
    return CKR_ARGUMENTS_BAD;
  }
  if (strcmp(command.action, "fail") == 0) return command.value;
  if (strcmp(command.action, "sleep") == 0) sleep_ms(command.value);
  return CKR_OK;
}

static CK_RV before_in_session(const char *function, CK_SESSION_HANDLE session) {
  CK_SESSION_INFO info;
  int is_open = real->C_GetSessionInfo(session, &info) == CKR_OK;
  return before(function, is_open ? &info.slotID : NULL);
}

#define PASS(check, call) \
  do {                    \
    CK_RV rv = (check);   \
    return rv == CKR_OK ? real->call : rv; \
  } while (0)

static CK_RV initialize(CK_VOID_PTR args) { PASS(before("C_Initialize", NULL), C_Initialize(args)); }

static CK_RV get_slot_list(CK_BBOOL present, CK_SLOT_ID_PTR slots, CK_ULONG_PTR count) {
  PASS(before("C_GetSlotList", NULL), C_GetSlotList(present, slots, count));
}

static CK_RV open_session(CK_SLOT_ID slot, CK_FLAGS flags, CK_VOID_PTR application, CK_NOTIFY notify,
                          CK_SESSION_HANDLE_PTR session) {
  PASS(before("C_OpenSession", &slot), C_OpenSession(slot, flags, application, notify, session));
}

static CK_RV close_session(CK_SESSION_HANDLE session) {
  PASS(before_in_session("C_CloseSession", session), C_CloseSession(session));
}

static CK_RV login(CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_UTF8CHAR_PTR pin, CK_ULONG length) {
  PASS(before_in_session("C_Login", session), C_Login(session, user, pin, length));
}

static CK_RV find_objects_init(CK_SESSION_HANDLE session, CK_ATTRIBUTE_PTR attributes, CK_ULONG count) {
  PASS(before_in_session("C_FindObjectsInit", session), C_FindObjectsInit(session, attributes, count));
}

static CK_RV sign_init(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE key) {
  PASS(before_in_session("C_SignInit", session), C_SignInit(session, mechanism, key));
}

static CK_RV sign(CK_SESSION_HANDLE session, CK_BYTE_PTR data, CK_ULONG length, CK_BYTE_PTR signature,
                  CK_ULONG_PTR signature_length) {
  CK_RV rv = before_in_session("C_Sign", session);
  CK_RV real_rv = real->C_Sign(session, data, length, signature, signature_length);
  /* A call that fails ends the operation too: the session takes the next C_SignInit. */
  return rv == CKR_OK ? real_rv : rv;
}

static void load(void) {
  const char *name = getenv("CERTMILL_FAULTS_MODULE");
  void *module = name == NULL ? NULL : dlopen(name, RTLD_NOW | RTLD_LOCAL);
  void *symbol = module == NULL ? NULL : dlsym(module, "C_GetFunctionList");
  CK_C_GetFunctionList get_list;
  control_file = getenv("CERTMILL_FAULTS_CONTROL");
  if (symbol == NULL) {
    fprintf(stderr, "pkcs11-faults: CERTMILL_FAULTS_MODULE names no PKCS#11 module\n");
    return;
  }
  memcpy(&get_list, &symbol, sizeof get_list);
  if (get_list(&real) != CKR_OK) return;
  functions = *real;
  functions.C_GetFunctionList = C_GetFunctionList;
  functions.C_Initialize = initialize;
  functions.C_GetSlotList = get_slot_list;
  functions.C_OpenSession = open_session;
  functions.C_CloseSession = close_session;
  functions.C_Login = login;
  functions.C_FindObjectsInit = find_objects_init;
  functions.C_SignInit = sign_init;
  functions.C_Sign = sign;
}

CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR list) {
  if (list == NULL) return CKR_ARGUMENTS_BAD;
  pthread_once(&once, load);
  if (real == NULL) return CKR_GENERAL_ERROR;
  *list = &functions;
  return CKR_OK;
}
