#!/usr/bin/perl

# TLS to Redis: certificates and names are checked, nothing is ever sent in
# the clear.  Skipped where hiredis has none (before 1.0).

use warnings;
use strict;

use Test::More;
use File::Path qw/ make_path /;
use IO::Socket::INET;
use JSON::PP;
use Time::HiRes qw/ sleep time /;

use ShardTest;

my $t = ShardTest->new(shards => 3000, keyspace => 'orders');
my $dir = $t->{dir};
my %port = map { $_ => free_port() } qw/ plain tls mutual clear /;

make_path("$dir/nginx");
spew("$dir/password", "secret\n");

{
    $t->{nginx_port} = free_port();
    spew("$dir/nginx/nginx.conf", $t->nginx_conf(redis => '127.0.0.1 tls=on'));

    my ($status, $out, $err) = do {
        local $ENV{LD_PRELOAD} = $ENV{SHARD_SAN} ? ShardTest::sanitizer_libraries() : '';
        local $ENV{ASAN_OPTIONS} = 'detect_leaks=0';
        $t->run($t->nginx_program(), '-t', '-p', "$dir/nginx", '-c', "$dir/nginx/nginx.conf", '-e', "$dir/check.log");
    };

    if ($status && "$out$err" =~ /(hiredis without TLS[^\n]*)/) {
        plan(skip_all => "the module was built with a hiredis that has no TLS (before 1.0)");
    }

    unlink("$dir/check.log");
}


# a chain of one: ours signs the servers', the other one nothing of them

sub openssl {
    my ($status, $out, $err) = $t->run('openssl', @_);
    die "openssl @_: $err" if $status;
}

sub authority {
    my ($name) = @_;

    openssl(qw/ req -x509 -newkey rsa:2048 -nodes -days 2 -subj /, "/CN=$name",
            '-keyout', "$dir/$name.key", '-out', "$dir/$name.pem");
}

sub certificate {
    my ($name, $alt) = @_;

    spew("$dir/$name.ext", $alt ? "subjectAltName=$alt\n" : "basicConstraints=CA:FALSE\n");
    openssl(qw/ req -newkey rsa:2048 -nodes -subj /, "/CN=$name", '-keyout', "$dir/$name.key", '-out', "$dir/$name.csr");
    openssl(qw/ x509 -req -days 2 -CAcreateserial -in /, "$dir/$name.csr", '-CA', "$dir/ours.pem", '-CAkey',
            "$dir/ours.key", '-extfile', "$dir/$name.ext", '-out', "$dir/$name.pem");
}

authority($_) for qw/ ours other /;
certificate('server', 'IP:127.0.0.1,DNS:redis.internal');
certificate('router');

sub start_redis {
    my ($name, $mutual) = @_;

    make_path("$dir/$name");

    $t->add(name => $name,
            argv => [ 'redis-server', '--bind', '127.0.0.1', '--port', $mutual ? 0 : $port{plain},
                      '--tls-port', $port{$name}, '--tls-cert-file', "$dir/server.pem", '--tls-key-file', "$dir/server.key",
                      '--tls-ca-cert-file', "$dir/ours.pem", '--tls-auth-clients', $mutual ? 'yes' : 'no',
                      $mutual ? ('--replicaof', '127.0.0.1', $port{plain}, '--masterauth', 'secret') : (),
                      '--dir', "$dir/$name", '--save', '', '--appendonly', 'yes', '--requirepass', 'secret' ],
            ready => sub { IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port{$name}") });
}

start_redis('tls');
wait_for { ShardTest::Redis->new("127.0.0.1:$port{plain}", password => 'secret')->command('PING') } 10, 'Redis';

$t->{redis} = ShardTest::Redis->new("127.0.0.1:$port{plain}", password => 'secret');
$t->{redis_port} = $port{plain};
$t->start_nodes(1);
$t->seed(place => sub { 'n1' }, silent => 1);


# nginx anew with these parameters; true when it has the table

sub table_with {
    my ($port, $more) = @_;

    $t->{process}{nginx}->stop() if $t->{process}{nginx};
    unlink("$dir/nginx/orders.shards", "$dir/nginx/error.log");
    $t->start_nginx(redis => "127.0.0.1:$port password_file=$dir/password tls=on $more timeout=500ms");

    wait_for { $t->api('')->{version} || $t->error_log() =~ /\[error\].*Redis .*trying again/ } 8, 'a table or why not';
    return $t->api('')->{version};
}

sub why { return $t->error_log() =~ /Redis 127.0.0.1:\d+: (.*); serving/ ? $1 : '' }

ok(!table_with($port{tls}, "ca=$dir/other.pem"), 'signed by another: refused');
like(why(), qr/its certificate is refused.*ca=.*:/, 'and why');
ok(!table_with($port{tls}, "ca=$dir/ours.pem name=redis.elsewhere"), 'of another name: refused');
like(why(), qr/its certificate is refused.*name=.*hostname mismatch/i, 'and why');
ok(!table_with($port{tls}, ''), 'not signed by any of the system: refused');

ok(table_with($port{tls}, 'verify=off'), 'unchecked when that is wanted');
ok(table_with($port{tls}, "ca=$dir/ours.pem name=redis.internal"), 'by name');
ok(table_with($port{tls}, "ca=$dir/ours.pem"), 'by the address');
is($t->api('')->{shards}, 3000, 'the whole of it');
is($t->get('/shards/orders/routers')->{status}, 200, 'the API, too');
is($t->get('/', 'X-Key' => 'a')->{status}, 404, 'and it is served');


# changes arrive, a restart is survived

sub changes {
    my ($what) = @_;

    for my $n (1 .. 5) {
        my $record = $t->shard_record(7);
        $record->{strategy} = $n % 2 ? 'queue' : 'stateless';
        my $got = $t->commit('shard:7', 'shard', 7, encode_json($record));
        die "@$got" if $got->[0] ne 'ok';
    }

    ok(eval { wait_for { $t->api('')->{version} == $t->version() } 8, 'it' }, "$what: changes arrive");
}

changes('by TLS');
$t->process('tls')->kill();
wait_for { !$t->api('')->{connected} } 5, 'noticed';
$t->process('tls')->start();
wait_for { $t->redis()->command('PING') } 10, 'Redis';
changes('Redis restarted');


# a server that wants a certificate of its clients

start_redis('mutual', 1);
wait_for { my ($status, $out) = $t->run('redis-cli', '--no-auth-warning', '-a', 'secret', '--tls', '--cacert', "$dir/ours.pem",
               '--cert', "$dir/router.pem", '--key', "$dir/router.key", '-p', $port{mutual}, 'INFO', 'replication');
           $out =~ /master_link_status:up/ } 15, 'a replica in step';
ok(!table_with($port{mutual}, "ca=$dir/ours.pem"), 'no certificate of its own: refused');
ok(table_with($port{mutual}, "ca=$dir/ours.pem cert=$dir/router.pem key=$dir/router.key"), 'with it');


# a server without TLS gets a greeting and no more

{
    my $l = IO::Socket::INET->new(LocalAddr => "127.0.0.1:$port{clear}", Listen => 16, ReuseAddr => 1) or die;
    my $pid = fork();

    if (!$pid) {
        open(my $f, '>', "$dir/heard");
        $f->autoflush(1);

        while (my $s = $l->accept()) {
            syswrite($s, "+OK\r\n+OK\r\n+OK\r\n");
            my $text = '';
            print {$f} $text while sysread($s, $text, 65536);
        }

        POSIX::_exit(0);
    }

    close($l);
    ok(!table_with($port{clear}, "ca=$dir/ours.pem"), 'a server without TLS');
    ok(!table_with($port{clear}, 'verify=off'), 'and unchecked');
    kill 'KILL', $pid;
    waitpid($pid, 0);

    my $heard = slurp("$dir/heard");
    like($heard, qr/^\x16\x03/, 'it heard a TLS greeting');
    unlike($heard, qr/AUTH|secret/, 'and no password');
}

ok(!table_with($port{plain}, 'verify=off'), 'TLS to the plain port of a Redis');

$t->finish();
done_testing();
