// What Fabric's own client library does against a network: each step's outcome, in one JSON document.
// Arguments: the network's folder.
'use strict';

const crypto = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');
const grpc = require('@grpc/grpc-js');
const { checkpointers, connect, hash, signers } = require('@hyperledger/fabric-gateway');

const folder = process.argv[2];
const profile = JSON.parse(fs.readFileSync(path.join(folder, 'connection.json')));
const text = (bytes) => Buffer.from(bytes).toString();

/** A member's identity and how it signs, from cryptogen's layout. */
function member(domain, name) {
    const msp = path.join(folder, `crypto-config/peerOrganizations/${domain}/users/${name}@${domain}/msp`);
    const only = (kind) => fs.readFileSync(path.join(msp, kind, fs.readdirSync(path.join(msp, kind))[0]));
    return {
        certificate: only('signcerts'),
        signer: signers.newPrivateKeySigner(crypto.createPrivateKey(only('keystore'))),
    };
}

/** A channel to a peer: TLS, without a client certificate. */
function dial(domain) {
    const peer = profile.peers[`peer0.${domain}`];
    const roots = fs.readFileSync(
        path.join(folder, `crypto-config/peerOrganizations/${domain}/peers/peer0.${domain}/tls/ca.crt`),
    );
    return new grpc.Client(new URL(peer.url).host, grpc.credentials.createSsl(roots));
}

function gatewayOf(client, mspId, { certificate, signer }) {
    return connect({ client, identity: { mspId, credentials: certificate }, signer, hash: hash.sha256 });
}

/** How a call that must fail has failed. */
async function refused(call) {
    try {
        await call;
    } catch (error) {
        return {
            kind: error.name,
            code: grpc.status[error.code] ?? error.code,
            message: error.message,
            details: error.details,
            transaction: error.transactionId,
        };
    }
    return null;
}

async function offline(client, contractName, user) {
    // This gateway cannot sign; whoever holds the key does so elsewhere.
    const gateway = connect({ client, identity: { mspId: 'Org1MSP', credentials: user.certificate } });
    const contract = gateway.getNetwork('mychannel').getContract(contractName);
    const unsigned = contract.newProposal('Put', { arguments: ['offline', 'signed elsewhere'] });
    const proposal = gateway.newSignedProposal(unsigned.getBytes(), await user.signer(unsigned.getDigest()));
    const endorsed = await proposal.endorse();
    const transaction = gateway.newSignedTransaction(endorsed.getBytes(), await user.signer(endorsed.getDigest()));
    const submitted = await transaction.submit();
    const commit = gateway.newSignedCommit(submitted.getBytes(), await user.signer(submitted.getDigest()));
    const status = await commit.getStatus();
    return { result: text(submitted.getResult()), successful: status.successful };
}

async function conflict(contract) {
    const prepare = () => contract.newProposal('Increment', { arguments: ['counter'] }).endorse();
    const [first, second] = [await prepare(), await prepare()];
    const codes = [];
    for (const transaction of [first, second]) {
        const status = await (await transaction.submit()).getStatus();
        codes.push({ code: status.code, successful: status.successful });
    }
    return codes;
}

/** The first `count` of a stream of events, which is then closed. */
async function first(events, count) {
    const taken = [];
    try {
        for await (const event of events) {
            taken.push(event);
            if (taken.length === count) {
                break;
            }
        }
    } finally {
        events.close();
    }
    return taken;
}

async function events(network) {
    const named = (event) => ({ name: event.eventName, payload: text(event.payload), contract: event.chaincodeName });
    const fromStart = { startBlock: 0n };
    const [earliest, second] = await first(await network.getChaincodeEvents('basic', fromStart), 2);
    // Taken up after the first one, as a client that has stopped does.
    const checkpoint = checkpointers.inMemory();
    await checkpoint.checkpointChaincodeEvent(earliest);
    const [resumed] = await first(await network.getChaincodeEvents('basic', { checkpoint }), 1);
    const [genesis, block] = await first(await network.getBlockEvents(fromStart), 2);
    const [, filtered] = await first(await network.getFilteredBlockEvents(fromStart), 2);
    return {
        earliest: named(earliest),
        resumed: resumed.transactionId === second.transactionId,
        blocks: [genesis, block].map((each) => each.getHeader().getNumber()),
        filtered: { number: filtered.getNumber(), transaction: filtered.getFilteredTransactionsList()[0].getTxid() },
        earliestTransaction: earliest.transactionId,
    };
}

async function main() {
    const [client, otherClient] = [dial('org1.example.com'), dial('org2.example.com')];
    const user = member('org1.example.com', 'User1');
    const gateway = gatewayOf(client, 'Org1MSP', user);
    const other = gatewayOf(otherClient, 'Org2MSP', member('org2.example.com', 'User1'));
    const admin = gatewayOf(client, 'Org1MSP', member('org1.example.com', 'Admin'));
    const impostor = gatewayOf(client, 'Org2MSP', user);
    const contractOf = (each) => each.getNetwork('mychannel').getContract('basic');
    const contract = contractOf(gateway);
    const found = {};

    found.submitted = text(await contract.submitTransaction('Put', 'key', 'value'));
    found.evaluated = text(await contract.evaluateTransaction('Get', 'key'));
    found.evaluatedByOther = text(await contractOf(other).evaluateTransaction('Get', 'key'));
    found.submittedByAdmin = text(await contractOf(admin).submitTransaction('Put', 'admin', 'too'));

    const commit = await contract.submitAsync('Put', { arguments: ['later', 'value'] });
    const status = await commit.getStatus();
    found.status = {
        ahead: text(commit.getResult()),
        code: status.code,
        successful: status.successful,
        block: Number(status.blockNumber),
        same: status.transactionId === commit.getTransactionId(),
    };
    found.offline = await offline(client, 'basic', user);
    found.conflict = await conflict(contract);

    await contract.submit('PutPrivate', { arguments: ['org1', 'p'], transientData: { value: 'secret' } });
    found.private = text(await contract.evaluateTransaction('GetPrivate', 'org1', 'p'));
    found.privateOfOther = await refused(contractOf(other).evaluateTransaction('GetPrivate', 'org1', 'p'));
    found.chosen = text(
        await contract.submit('Put', { arguments: ['chosen', 'two'], endorsingOrganizations: ['Org1MSP', 'Org2MSP'] }),
    );

    found.failed = await refused(contract.submitTransaction('Fail', 'NOT_TODAY'));
    found.diverged = await refused(contract.submitTransaction('Diverge', 'key'));
    found.failedEvaluation = await refused(contract.evaluateTransaction('Fail', 'NOT_TODAY'));
    found.impostor = await refused(contractOf(impostor).submitTransaction('Put', 'key', 'forged'));
    found.unknownChaincode = await refused(
        gateway.getNetwork('mychannel').getContract('nothing').evaluateTransaction('Get', 'key'),
    );
    found.unknownChannel = await refused(
        gateway.getNetwork('nowhere').getContract('basic').submitTransaction('Put', 'key', 'value'),
    );
    const oneOrganisation = contract.newProposal('Put', {
        arguments: ['key', 'alone'],
        endorsingOrganizations: ['Org1MSP'],
    });
    const lone = await (await (await oneOrganisation.endorse()).submit()).getStatus();
    found.lone = { code: lone.code, successful: lone.successful };

    found.events = await events(gateway.getNetwork('mychannel'));

    for (const each of [gateway, other, admin, impostor]) {
        each.close();
    }
    client.close();
    otherClient.close();
    console.log(JSON.stringify(found));
}

main().catch((error) => {
    console.error(error);
    process.exitCode = 1;
});
