#!/usr/bin/perl

# The parsers that live in nginx, under sanitizers: a Redis before which
# ShardTest::Garble stands, bodies and paths of the API, and state files.
# FUZZ_SECONDS for each of these parts (60 where CI is set, else 5),
# SHARD_TEST_SEED for what it said it had drawn.

use warnings;
use strict;

BEGIN { $ENV{SHARD_SAN} = 1 }

use JSON::PP;
use Test::More;
use Time::HiRes qw/ sleep time /;

use ShardTest;
use ShardTest::Garble;

my $seconds = $ENV{FUZZ_SECONDS} || ($ENV{CI} ? 60 : 5);
my $seed = $ENV{SHARD_TEST_SEED} || time() % 1000000 ^ $$;
srand($seed);
diag("seed $seed");

my $t = ShardTest->new(shards => 12);

plan(skip_all => 'no sanitizer build here: make sanitize')
    if !-e $t->program('ngx_http_shard_module.so');


$t->start_redis();
$t->start_nodes(3);
$t->seed(nodes => [ 'n1', 'n2' ], record => { standbys => [ 'n3' ] });

my $r = $t->redis();

$r->command('HSET', $t->key('meta'), 'policy', encode_json({
    mirror => 300, zone_distance => { 'z1 z2' => 10 } }));

my $garble = ShardTest::Garble->start(to => $t->redis_addr(), seed => $seed,
                                      share => 0, file => "$t->{dir}/share");

$t->start_nginx(
    redis => $garble->addr() . ' timeout=500ms',
    upstream => "shard_hold max=64 timeout=30ms;\n"
                . '        shard_health uri=/health interval=100ms timeout=100ms;',
    server => 'location /rw/ { shard_api write=on; }');
wait_for { $t->api('')->{version} == $t->version() } 20, 'a table';
$t->{http} = HTTP::Tiny->new(timeout => 3);

my @workers = $t->process('nginx')->children();

redis();
bodies();
truth();
$garble->stop();
my $state = slurp("$t->{dir}/nginx/$t->{keyspace}.shards");
is("@{[ $t->process('nginx')->children() ]}", "@workers", 'workers live on');
$t->finish('no sanitizer report in nginx');

state_files($state);
done_testing();


# table, nodes, log, overrides and policy change all the while

sub change {
    my $id = int(rand($t->{shards}));
    my $how = int(rand(6));

    if ($how == 0) {
        $r->command('HSET', $t->key('override'), $id,
                    (map { ("pin $_", 'freeze', "split n1=5000 n2=5000",
                            'hold', "drain") } 'n1')[rand 5]);

    } elsif ($how == 1) {
        $r->command('HDEL', $t->key('override'), $id);

    } elsif ($how == 2) {
        $r->command('HINCRBY', $t->key('meta'), 'version', 1 + int(rand(3)));

    } elsif ($how == 3) {
        my $node = { %{ $t->{nodes}{n2} } };
        delete $node->{name};
        $t->commit('nodes', 'node', 'n2', encode_json(
            { %$node, state => (qw/ up up draining down /)[rand 4] }));

    } else {
        my $record = $t->shard_record($id);
        $record->{epoch}++;
        $record->{primary} = 'n' . (1 + int(rand(2)));
        $record->{phase} = rand(12) < 1 ? 'held' : 'steady';
        $t->commit("shard:$id", 'shard', $id, encode_json($record));
    }
}


sub redis {
    my ($changes, $answers, %status) = (0, 0);
    my $until = time() + $seconds;

    while (time() < $until) {
        $garble->share((20, 100, 400, 0)[$changes / 20 % 4])
            if $changes % 20 == 0;

        change();
        $changes++;

        my $key = 'g' . int(rand(1000));
        $status{$t->get("/kv/$key", 'X-Key' => $key)->{status}}++;
        $status{$t->get((map { "/rw/orders$_" } '', '/shards', '/nodes',
                         '/routers', '/zones', '/migrations', '/events',
                         '/forecast/1', '/policy', '/override')[rand 10])
                ->{status}}++;
        $answers += 2;
    }

    my $odd = join ' ', grep { !/^(200|204|404|421|409|429|50[0234])$/ }
                        sort keys %status;

    is($odd, '', "$changes changes, $answers requests, "
                 . join ' ', map { "$_: $status{$_}" } sort keys %status);
}


# what comes from clients: seeds are bodies that are taken

sub bodies {
    my @seeds = (
        [ POST => '/migrations', '{"shard":1,"to":"n2","strategy":"stateless"}' ],
        [ PUT => '/override/1', '{"verb":"split","nodes":{"n1":5000,"n2":5000},"until":"2040-01-01T00:00:00Z"}' ],
        [ PUT => '/override/2', '{"verb":"pin","node":"n1"}' ],
        [ PUT => '/policy', '{"mirror":100,"zone_distance":{"z1 z2":3}}' ],
        [ POST => '/events', '{"start":"2030-01-01T00:00:00Z","end":"2030-01-02T00:00:00Z","shards":[1,2],"factor":2}' ],
        [ DELETE => '/override/1', '' ],
        [ GET => '/shards?from=1&limit=3', '' ],
    );
    my ($n, %status) = (0);
    my $until = time() + $seconds / 2;

    $garble->share(10);

    while (time() < $until) {
        my ($method, $path, $body) = @{ $seeds[rand @seeds] };

        $body = ShardTest::Garble::mutate($body);
        $path = ShardTest::Garble::mutate($path) if rand(4) < 1;
        $path =~ s/([^!-~]|#)/sprintf '%%%02x', ord $1/ge;

        # nginx refuses these before it has read the body, and resets

        $path =~ s/%00/%01/g;
        $path =~ s/%(?![0-9a-fA-F]{2})/%25/g;

        my $answer = $t->request($method, "/rw/orders$path", $body,
                                 rand(3) < 1 ? ('If-Match' => ShardTest::Garble::mutate('"1", "2"') =~ s/[^ -~]/?/gr) : ());
        $status{$answer->{status}}++;
        $n++;
        diag(time(), " $method $path $body: $answer->{content}") if $answer->{status} == 599;
    }

    my $odd = join ' ', grep { $_ == 599 || $_ == 500 } keys %status;

    is($odd, '', "$n bodies and paths, "
                 . join ' ', map { "$_: $status{$_}" } sort keys %status);
}


# once answers are true again, so is the table

sub truth {
    $garble->share(0);
    $r->command('DEL', $t->key('override'));

    for my $id (0 .. $t->{shards} - 1) {
        my $record = $t->shard_record($id);
        $record->{epoch}++;
        $record->{phase} = 'steady';
        $t->commit("shard:$id", 'shard', $id, encode_json($record));
    }

    $r->command('HINCRBY', $t->key('meta'), 'version', 5);

    my $same = eval {
        wait_for {
            $t->api('')->{version} == $t->version()
                && join(' ', map { "$_->{id} $_->{primary} $_->{epoch}" }
                             @{ $t->api('/shards')->{shards} })
                   eq join(' ', map { my $s = $t->shard_record($_);
                                      "$_ $s->{primary} $s->{epoch}" }
                                0 .. $t->{shards} - 1)
        } 20, 'the table of Redis';
    };
    ok($same, 'the table is what Redis has') or diag($@);
}


# state files of many keyspaces, read by one nginx -t; sums are right mostly,
# or nothing behind them would ever be reached

sub state_files {
    my ($state) = @_;

    my $many = 100;
    my ($files, $taken) = (0, 0);
    my $dir = "$t->{dir}/state";
    my $until = time() + $seconds / 2;

    mkdir($dir);
    spew("$dir/sum.c", <<'C');
#define XXH_INLINE_ALL
#include <stdio.h>
#include <xxhash.h>
int
main(int argc, char **argv)
{
    static char  buf[1 << 20];
    for (int i = 1; i < argc; i++) {
        FILE    *f = fopen(argv[i], "r+b");
        size_t   n = fread(buf, 1, sizeof(buf), f);
        fprintf(f, "sum %016llx\n", (unsigned long long) XXH3_64bits(buf, n));
        fclose(f);
    }
    return 0;
}
C
    is(system("gcc -o $dir/sum $dir/sum.c"), 0, 'sums');

    my $conf = $t->nginx_conf();
    my $tables = join '', map { "shard_table k$_ 2m state=$dir/k$_;\n" } 1 .. $many;
    $conf =~ s/^    shard_table .*\n/$tables    shard_table orders 4m;\n/m;
    spew("$dir/nginx.conf", $conf);

    $state =~ s/sum [0-9a-f]{16}\n\z// or die "a state file without a sum\n";

    do {
        my @summed;

        for my $n (1 .. $many) {
            my $text = $state;

            $text =~ s/^(nginx-shard-state 2) \S+/$1 k$n/;

            if ($n > 1) {
                my ($head, $rest) = $text =~ /^(.*?\n)(.*)/s;

                if (rand(5) < 1) {
                    $head = ShardTest::Garble::mutate($head);

                } else {
                    $rest = ShardTest::Garble::mutate($rest);
                }

                $text = $head . $rest;
            }

            $text = ShardTest::Garble::mutate($text . 'sum 0123456789abcdef' . "\n")
                if $n % 20 == 0;
            push @summed, "$dir/k$n" if $n % 20;
            spew("$dir/k$n", $text);
        }

        system("$dir/sum", @summed);

        local $ENV{LD_PRELOAD} = ShardTest::sanitizer_libraries();
        local $ENV{ASAN_OPTIONS} = 'detect_leaks=0';
        my ($status, undef, $err) = $t->run($t->nginx_program(), '-t', '-p', $dir,
                                            '-c', "$dir/nginx.conf", '-e', "$dir/error.log");
        my @reports = grep { /Sanitizer|runtime error/ } split /\n/, $err;

        ok($status == 0 && !@reports, "$many state files")
            or do {
                diag("status $status, the files are in $dir\n",
                     @reports ? "@reports[0 .. ($#reports > 9 ? 9 : $#reports)]" : substr($err, -2000));
                $t->{keep} = 1;
                return;
            };
        $files += $many;
    } while (time() < $until);

    my $log = $t->error_log();
    $taken = () = $log =~ /table of version \d+ with \d+ shards from/g;
    my $refused = () = $log =~ /not used:/g;
    is($taken + $refused, $files, "$files state files: $taken taken, $refused refused");
    cmp_ok($taken, '>', 0, 'whole ones are');
    cmp_ok($refused, '>', $files / 4, 'spoilt ones are not');
}
