#include "hellora/io/memory_limit.h"

#include "tests/support/helpers.h"

namespace hellora::testing {
namespace {

using std::string;

/// A folder in the place of "/": 16 GiB of memory, the process in `group`, hierarchies as `mounts` says.
class Machine {
 public:
  Machine(const string& groups, const string& mounts) {
    put("proc/meminfo", "MemTotal:       16777216 kB\nMemFree:         1000 kB\n");
    put("proc/self/cgroup", groups);
    put("proc/self/mountinfo", "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n" + mounts);
  }
  Machine& put(const string& name, const string& text) {
    make_folder((folder_ / name).parent_path());
    put_file(folder_ / name, text);
    return *this;
  }
  MemoryLimit limit() const { return memory_limit(folder_.path()); }

 private:
  TempFolder folder_;
};

constexpr int64_t kMachine = int64_t{16} << 30, kMiB = 1 << 20;
const string kSecondMount = "30 22 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n";
const string kFirstMounts =
    "31 22 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n32 22 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";

TEST(MemoryLimit, WithoutAContainerIsTheMachine) {
  EXPECT_EQ(Machine("", "").limit().bytes, kMachine);
  Machine free("0::/user.slice\n", kSecondMount);
  free.put("sys/fs/cgroup/user.slice/memory.max", "max\n").put("sys/fs/cgroup/user.slice/memory.high", "max\n");
  EXPECT_EQ(free.limit().bytes, kMachine);
  EXPECT_EQ(describe(free.limit()), "the machine has 16.00 GiB");
  const TempFolder nothing;
  EXPECT_EQ(memory_limit(nothing.path()).bytes, 0);
}

TEST(MemoryLimit, OfVersionTwoIsTheLeastOfAllGroupsAbove) {
  Machine machine("0::/a/b/c\n", kSecondMount);
  machine.put("sys/fs/cgroup/a/b/c/memory.max", "max\n").put("sys/fs/cgroup/a/b/memory.max", "157286400\n");
  machine.put("sys/fs/cgroup/a/memory.max", "1073741824\n").put("sys/fs/cgroup/other/memory.max", "4096\n");
  EXPECT_EQ(machine.limit().bytes, 150 * kMiB);
  EXPECT_EQ(describe(machine.limit()), "the container's limit is 150.00 MiB (/sys/fs/cgroup/a/b/memory.max)");
  machine.put("sys/fs/cgroup/a/b/c/memory.high", "104857600\n");
  EXPECT_EQ(machine.limit().bytes, 100 * kMiB);
  machine.put("sys/fs/cgroup/memory.max", "52428800\n");  // a container sees its own group as the root of the mount
  EXPECT_EQ(machine.limit().bytes, 50 * kMiB);
}

TEST(MemoryLimit, OfVersionOneAndOfBothTogether) {
  const string groups = "5:cpu,cpuacct:/x\n4:memory:/h\n0::/\n";
  Machine machine(groups, kFirstMounts + "33 22 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
  machine.put("sys/fs/cgroup/memory/h/memory.limit_in_bytes", "157286400\n");
  machine.put("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  machine.put("sys/fs/cgroup/cpu/x/memory.limit_in_bytes", "1\n");  // no hierarchy of memory
  EXPECT_EQ(machine.limit().bytes, 150 * kMiB);
  machine.put("sys/fs/cgroup/unified/memory.max", "104857600\n");
  EXPECT_EQ(machine.limit().bytes, 100 * kMiB);
}

TEST(MemoryLimit, OfAMountThatShowsTheContainersOwnGroup) {
  // Docker on version 1: the process is in /docker/ID, and the mount shows that group as its root.
  Machine first("4:memory:/docker/id/inner\n", "32 22 0:28 /docker/id /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n");
  first.put("sys/fs/cgroup/memory/memory.limit_in_bytes", "157286400\n");
  EXPECT_EQ(first.limit().bytes, 150 * kMiB);
  first.put("sys/fs/cgroup/memory/inner/memory.limit_in_bytes", "104857600\n");
  EXPECT_EQ(first.limit().bytes, 100 * kMiB);
  Machine outside("0::/../sibling\n", kSecondMount);  // a group that this name space does not show
  outside.put("sys/fs/cgroup/memory.max", "157286400\n");
  EXPECT_EQ(outside.limit().bytes, 150 * kMiB);
}

TEST(MemoryLimit, OddFilesAreNone) {
  Machine machine("nonsense\n0::/a\n", kSecondMount + "33 broken - line\n - \n");
  for (const char* text : {"", "\n", "max", "-1\n", "0\n", "99999999999999999999999\n", "word 5\n"}) {
    machine.put("sys/fs/cgroup/a/memory.max", text);
    EXPECT_EQ(machine.limit().bytes, kMachine) << text;
  }
}

TEST(ProcBytes, ReadsOneLine) {
  EXPECT_GT(proc_bytes("/proc/self/status", "VmRSS"), 0);
  EXPECT_EQ(proc_bytes("/proc/self/status", "Vm"), 0);
  EXPECT_EQ(proc_bytes("/no/such/file", "VmRSS"), 0);
}

}  // namespace
}  // namespace hellora::testing
