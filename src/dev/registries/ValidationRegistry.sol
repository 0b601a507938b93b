// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// A minimal ERC-8004 validation registry for local chains: it emits the final revision's events.
contract ValidationRegistry {
    struct Request {
        address validatorAddress;
        uint256 agentId;
    }

    event ValidationRequest(
        address indexed validatorAddress,
        uint256 indexed agentId,
        string requestURI,
        bytes32 indexed requestHash
    );
    event ValidationResponse(
        address indexed validatorAddress,
        uint256 indexed agentId,
        bytes32 indexed requestHash,
        uint8 response,
        string responseURI,
        bytes32 responseHash,
        string tag
    );

    mapping(bytes32 => Request) private requests;

    function validationRequest(
        address validatorAddress,
        uint256 agentId,
        string calldata requestURI,
        bytes32 requestHash
    ) external {
        require(validatorAddress != address(0), "no validator");
        require(requests[requestHash].validatorAddress == address(0), "request exists");
        requests[requestHash] = Request(validatorAddress, agentId);
        emit ValidationRequest(validatorAddress, agentId, requestURI, requestHash);
    }

    /// May be repeated for one request: the last response counts.
    function validationResponse(
        bytes32 requestHash,
        uint8 response,
        string calldata responseURI,
        bytes32 responseHash,
        string calldata tag
    ) external {
        Request memory request = requests[requestHash];
        require(msg.sender == request.validatorAddress, "not the validator");
        require(response <= 100, "response is 0 to 100");
        emit ValidationResponse(msg.sender, request.agentId, requestHash, response, responseURI, responseHash, tag);
    }
}
