// TensorFlow has no setting for the address, so its calls of bind(2) are redirected: a shared library calls functions of other
// libraries through slots in its data, which the dynamic loader has filled by the relocation table (ELF gABI, "Dynamic
// Linking"). The slots of `bind` in TensorFlow's libraries are set to a function of ours. Other libraries are not touched.
#include "listen.h"

#include <stdexcept>

#if defined(__linux__) && defined(__LP64__)

#include <arpa/inet.h>
#include <link.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <vector>

namespace native {
namespace {

in_addr only;  // the address, in network order

// ::ffff:a.b.c.d, an IPv4 address for a socket that accepts both versions.
in6_addr mapped(in_addr address) {
  in6_addr out{};
  out.s6_addr[10] = out.s6_addr[11] = 0xff;
  std::memcpy(out.s6_addr + 12, &address, sizeof address);
  return out;
}

int bindOnly(int socket, const sockaddr* address, socklen_t size) {
  if (address->sa_family == AF_INET && size >= sizeof(sockaddr_in)) {
    sockaddr_in v4;
    std::memcpy(&v4, address, sizeof v4);
    if (v4.sin_addr.s_addr == htonl(INADDR_ANY)) {
      v4.sin_addr = only;
      return bind(socket, reinterpret_cast<sockaddr*>(&v4), sizeof v4);
    }
  }
  if (address->sa_family == AF_INET6 && size >= sizeof(sockaddr_in6)) {
    sockaddr_in6 v6;
    std::memcpy(&v6, address, sizeof v6);
    const in6_addr any = mapped({htonl(INADDR_ANY)});
    if (IN6_IS_ADDR_UNSPECIFIED(&v6.sin6_addr) || std::memcmp(&v6.sin6_addr, &any, sizeof any) == 0) {
      v6.sin6_addr = mapped(only);
      return bind(socket, reinterpret_cast<sockaddr*>(&v6), sizeof v6);
    }
  }
  return bind(socket, address, size);
}

// A slot, and whether the loader has made its page read-only ("RELRO").
struct Slot {
  void** place;
  bool readOnly;
};

// The relocation tables of a library, and what they refer to.
struct Dynamic {
  const ElfW(Sym)* symbols = nullptr;
  const char* names = nullptr;
  struct {
    const ElfW(Rela)* first = nullptr;
    size_t bytes = 0;
  } tables[2];  // of functions, of all else

  explicit Dynamic(const ElfW(Dyn)* entry) {
    for (; entry->d_tag != DT_NULL; entry++) {
      const auto at = entry->d_un.d_ptr;
      switch (entry->d_tag) {
        case DT_SYMTAB: symbols = reinterpret_cast<const ElfW(Sym)*>(at); break;
        case DT_STRTAB: names = reinterpret_cast<const char*>(at); break;
        case DT_JMPREL: tables[0].first = reinterpret_cast<const ElfW(Rela)*>(at); break;
        case DT_PLTRELSZ: tables[0].bytes = entry->d_un.d_val; break;
        case DT_RELA: tables[1].first = reinterpret_cast<const ElfW(Rela)*>(at); break;
        case DT_RELASZ: tables[1].bytes = entry->d_un.d_val; break;
      }
    }
  }
};

int findSlots(dl_phdr_info* library, size_t, void* found) {
  if (library->dlpi_name == nullptr || std::strstr(library->dlpi_name, "libtensorflow") == nullptr) return 0;
  const ElfW(Phdr)*dynamic = nullptr, *relro = nullptr;
  for (int i = 0; i < library->dlpi_phnum; i++) {
    const auto& header = library->dlpi_phdr[i];
    if (header.p_type == PT_DYNAMIC) dynamic = &header;
    if (header.p_type == PT_GNU_RELRO) relro = &header;
  }
  if (dynamic == nullptr) return 0;
  const Dynamic parts(reinterpret_cast<const ElfW(Dyn)*>(library->dlpi_addr + dynamic->p_vaddr));
  if (parts.symbols == nullptr || parts.names == nullptr) return 0;
  for (const auto& table : parts.tables) {
    for (size_t i = 0; table.first != nullptr && i < table.bytes / sizeof(ElfW(Rela)); i++) {
      const ElfW(Rela)& relocation = table.first[i];
      const ElfW(Sym)& symbol = parts.symbols[ELF64_R_SYM(relocation.r_info)];
      if (symbol.st_shndx != SHN_UNDEF || std::strcmp(parts.names + symbol.st_name, "bind") != 0) continue;
      const auto at = relocation.r_offset;
      const bool readOnly = relro != nullptr && at >= relro->p_vaddr && at < relro->p_vaddr + relro->p_memsz;
      static_cast<std::vector<Slot>*>(found)->push_back({reinterpret_cast<void**>(library->dlpi_addr + at), readOnly});
    }
  }
  return 0;
}

bool redirect(const Slot& slot) {
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  void* const start = reinterpret_cast<void*>(reinterpret_cast<uintptr_t>(slot.place) / page * page);
  if (slot.readOnly && mprotect(start, page, PROT_READ | PROT_WRITE) != 0) return false;
  *slot.place = reinterpret_cast<void*>(&bindOnly);
  if (slot.readOnly) mprotect(start, page, PROT_READ);
  return true;
}

}  // namespace

bool listenOnlyOn(const std::string& address) {
  if (inet_pton(AF_INET, address.c_str(), &only) != 1) throw std::runtime_error("'" + address + "' is no IPv4 address");
  std::vector<Slot> slots;
  dl_iterate_phdr(findSlots, &slots);
  bool all = !slots.empty();
  for (const Slot& slot : slots) all = redirect(slot) && all;
  return all;
}

}  // namespace native

#else

namespace native {

bool listenOnlyOn(const std::string&) { return false; }

}  // namespace native

#endif
