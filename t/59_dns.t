#!/usr/bin/perl

# Names follow primaries: a real BIND takes the updates, signed by TSIG.

use warnings;
use strict;

use FindBin;
use lib "$FindBin::Bin/lib";

use HTTP::Tiny;
use JSON::PP;
use Test::More;
use Time::HiRes qw/ sleep time /;

use ShardTest;


my ($named) = grep { -x } '/usr/sbin/named', '/usr/bin/named';

plan(skip_all => 'named is needed: apt install bind9') if !$named;

my $t = ShardTest->new(shards => 4);

$t->start_redis();
$t->start_nodes(2);
$t->seed(place => sub { 'n1' });

my $r = $t->redis();
my $dir = $t->dir() . '/named';
my $port = free_port();

mkdir $dir;
spew("$dir/key", scalar `tsig-keygen -a hmac-sha256 shard.`);
spew("$dir/other", scalar `tsig-keygen -a hmac-sha256 shard.`);
spew("$dir/zone.db", <<"ZONE");
\$TTL 60
\@ SOA ns.shards.example. root.shards.example. ( 1 60 60 600 60 )
\@ NS ns.shards.example.
ns A 127.0.0.1
ZONE
spew("$dir/named.conf", slurp("$dir/key") . <<"CONF");
options {
    directory "$dir";
    listen-on port $port { 127.0.0.1; };
    listen-on-v6 { none; };
    pid-file "$dir/named.pid";
    lock-file none;
    session-keyfile "$dir/session.key";
    recursion no;
    dnssec-validation no;
};
controls { };
zone "shards.example" {
    type primary;
    file "zone.db";
    update-policy { grant shard. zonesub ANY; };
};
CONF


sub dig {
    my ($name, $type) = @_;

    my $text = `dig +short +time=1 +tries=1 \@127.0.0.1 -p $port $name $type 2>/dev/null`;
    return join ' ', sort split /\n/, defined $text ? $text : '';
}


sub start_named {
    $t->add(name => 'named',
            argv => [ $named, '-g', '-n', 1, '-c', "$dir/named.conf" ],
            ready => sub { dig('ns.shards.example', 'A') eq '127.0.0.1' });
}


sub migrator {
    my ($name, %dns) = @_;

    %dns = (server => "127.0.0.1:$port", zone => 'shards.example.',
            name => '"{keyspace}-{shard}.shards.example."',
            group => '"{keyspace}.shards.example."',
            key_file => "$dir/key", ttl => '5s', timeout => '300ms', %dns);

    return $t->start_daemon('shard-migrator', $name, $t->migrator_conf($name,
        "dns:\n" . join('', map { "    $_: $dns{$_}\n" } sort keys %dns)));
}


sub name_of { return "orders-$_[0].shards.example" }

sub names {
    my ($shard) = @_;
    return dig(name_of($shard), 'A') . ' ' . dig(name_of($shard), 'TXT');
}

sub logged { return slurp($t->dir() . "/$_[0].log") }


# n2 is somewhere else for the DNS: another address of this host

my $there = $t->{nodes}{n2}{addr} =~ s/.*:/127.0.0.2:/r;

$t->process('n2')->stop();
$t->{process}{n2}{argv} = [ map { $_ eq $t->{nodes}{n2}{addr} ? $there : $_ }
                            @{ $t->{process}{n2}{argv} } ];
$t->{process}{n2}{ready} = sub { HTTP::Tiny->new(timeout => 1)->get("http://$there/health")->{success} };
$t->process('n2')->start();
$t->committed('nodes', 'node', 'n2', encode_json({
    %{ decode_json($r->command('HGET', $t->key('nodes'), 'n2')) },
    addr => $there }));

start_named();


# mistakes are told at the start

my ($exit, $out, $err) = (0);

for my $case ([ 'zone: a.', qr/bad\.yaml: dns: server is missing: IP or IP:port/ ],
              [ 'server: nowhere', qr/server "nowhere": an address is needed/ ],
              [ "server: 127.0.0.1\n    name: fix.example.", qr/name "fix.example."/ ],
              [ "server: 127.0.0.1\n    zone: a.\n    key_file: $dir/none",
                qr/bad\.yaml: dns: key_file .*none cannot be read: No such file/ ],
              [ "server: 127.0.0.1\n    zone: a.\n    key_file: $dir",
                qr/key_file \S+ cannot be read: Is a directory/ ],
              [ "server: 127.0.0.1\n    zone: a.\n    key_file: $dir/zone.db",
                qr/tsig-keygen/ ])
{
    my ($text, $why) = @$case;

    $text .= "\n    zone: shards.example." if $text !~ /zone:/;
    spew($t->dir() . '/bad.yaml', "keyspace: orders\ndns:\n    $text\n");
    ($exit, $out, $err) = $t->run($t->program('shard-migrator'), '-t', '-c',
                                  $t->dir() . '/bad.yaml');
    is($exit, 1, 'refused');
    like($err, $why, '... and why');
}


# all that is there already, then moves

migrator('m1');
wait_for { names($_) eq '127.0.0.1 "epoch=1"' } 30, "the name of shard $_"
    for 0 .. 3;
wait_for { dig('orders.shards.example', 'A') eq '127.0.0.1' } 30, 'the group';
pass('names of all shards, and of the group');

is_deeply([ $t->wait_migrations(60, $t->migrate(0, 'n2')) ], [],
          'shard 0 moves');
wait_for { names(0) eq '127.0.0.2 "epoch=2"' } 30, 'its name follows';
pass('its name follows');
wait_for { dig('orders.shards.example', 'A') eq '127.0.0.1 127.0.0.2' } 30,
    'the group has both';
is(names(1), '127.0.0.1 "epoch=1"', 'others are as they were');
like(scalar `dig +noall +answer \@127.0.0.1 -p $port @{[ name_of(0) ]} A`,
     qr/\s5\s+IN\s+A/, 'with the ttl');


# somebody knows a later epoch

spew("$dir/nsupdate", "server 127.0.0.1 $port\nzone shards.example.\n"
     . 'update delete ' . name_of(1) . ". TXT\n"
     . 'update add ' . name_of(1) . ". 5 TXT \"epoch=99\"\nsend\n");
is(system("nsupdate -k $dir/key $dir/nsupdate"), 0, 'an epoch of later');
is_deeply([ $t->wait_migrations(60, $t->migrate(1, 'n2')) ], [],
          'shard 1 moves all the same');
wait_for { logged('m1') =~ /orders-1\.shards\.example\. has epoch 99, later than 2: left/ }
         30, 'it is told';
is(names(1), '127.0.0.1 "epoch=99"', 'an older epoch overwrites nothing');
$t->process('m1')->stop();


# nobody there, and back: what was missed is written, by another migrator

$t->process('named')->stop();
migrator('m2');

my $began = time();
is_deeply([ $t->wait_migrations(60, $t->migrate(2, 'n2')) ], [],
          'shard 2 moves while no server is there');
wait_for { logged('m2') =~ /dns: 127\.0\.0\.1:$port: .*trying again/ } 30,
         'the log says why';
isnt($r->command('HGET', $t->key('dns'), 2), '2 127.0.0.2', 'not written yet');

$t->process('m2')->kill();
start_named();
migrator('m3');
wait_for { names(2) eq '127.0.0.2 "epoch=2"' } 60, 'written when it is back';
pass('a killed migrator\'s name is written by another one');
is($r->command('HGET', $t->key('dns'), 2), '2 127.0.0.2', 'and kept');
$t->process('m3')->stop();


# another key

migrator('m4', key_file => "$dir/other");
is_deeply([ $t->wait_migrations(60, $t->migrate(3, 'n2')) ], [],
          'shard 3 moves with a wrong key');
wait_for { logged('m4') =~ /does not take the key of \S+other for zone shards\.example\./ }
         30, 'the log says that it is the key';
is(names(3), '127.0.0.1 "epoch=1"', 'nothing is written');

spew("$dir/other", slurp("$dir/key"));
wait_for { names(3) eq '127.0.0.2 "epoch=2"' } 60, 'a key put right counts';
pass('with the right key in the file it is');

$t->finish();

done_testing();
